// How a page asks for a change: with the token of its own sign-in, which no other site's page knows.

/** What a page fetches of its own accord says so: it keeps no sign-in alive. */
export const BY_PAGE = { "x-fetched-by": "page" };

/** Why a request was refused, in the reader's language where the answer has it. */
export function refusalOf(body) {
  return (document.documentElement.lang === "de" && body.detail_de) || body.detail;
}

/** Like fetch, by POST unless told otherwise. */
export function send(address, options = {}) {
  const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";
  return fetch(address, { method: "POST", ...options, headers: { "x-csrf-token": csrf, ...options.headers } });
}
