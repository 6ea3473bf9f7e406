// How a page asks for a change: with the token of its own sign-in, which no other site's page knows.

/** Like fetch, by POST unless told otherwise. */
export function send(address, options = {}) {
  const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";
  return fetch(address, { method: "POST", ...options, headers: { "x-csrf-token": csrf, ...options.headers } });
}
