// Keeps the page for days without a network. KEPT (version and names of the files) is put before this by the
// server, so that any changed file makes a new worker; it waits until the page says that nobody exercises.
// What is personal passes it by: programmes and entries are never in its cache.
const CACHE = `spondyl-home-${KEPT.version}`;
const SHELL = new URL("app/shell", self.registration.scope).href;
const FILES = KEPT.files.map((name) => new URL(`app/${name}`, self.registration.scope).href);

self.addEventListener("install", (event) => event.waitUntil(keep()));
self.addEventListener("activate", (event) => event.waitUntil(begin()));
self.addEventListener("message", (event) => {
  if (event.data === "take-over") self.skipWaiting();
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = request.url.slice(self.registration.scope.length);
  if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
  if (request.mode === "navigate" && !path.includes("/")) event.respondWith(shell(request));
  else if (FILES.includes(request.url)) event.respondWith(file(request));
});

async function keep() {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((url) => new Request(url, { cache: "reload" })));
  // The page is the same under every address, so it is kept once, under none of them.
  const page = await fetch(new URL("page", self.registration.scope), { cache: "reload" });
  if (!page.ok) throw new Error(`the page answered ${page.status}`);
  await cache.put(SHELL, page);
}

async function begin() {
  const old = (await caches.keys()).filter((name) => name.startsWith("spondyl-home-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function shell(request) {
  const kept = await caches.match(SHELL, { cacheName: CACHE });
  return kept ?? fetch(request);
}

async function file(request) {
  const kept = await caches.match(request, { cacheName: CACHE });
  return kept ?? fetch(request);
}
