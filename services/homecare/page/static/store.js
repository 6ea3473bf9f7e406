// What this telephone keeps of one link: in IndexedDB, else in localStorage, else until the page is closed.
const NAME = "spondyl-home";
const TABLE = "kept";

let keep = null;

const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function database() {
  const opening = indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
  const open = await settled(opening);
  open.onversionchange = () => open.close();
  const written = (change) => new Promise((resolve, reject) => {
    const transaction = open.transaction(TABLE, "readwrite", { durability: "strict" });
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
    change(transaction.objectStore(TABLE));
  });
  const table = () => open.transaction(TABLE).objectStore(TABLE);
  const range = (prefix) => IDBKeyRange.bound(prefix, `${prefix}\uffff`);
  return {
    kind: "database",
    get: (key) => settled(table().get(key)),
    all: (prefix) => settled(table().getAll(range(prefix))),
    change: (puts, removes) => written((rows) => {
      for (const [key, value] of Object.entries(puts)) rows.put(value, key);
      for (const key of removes) rows.delete(key);
    }),
    clear: (prefix) => written((rows) => rows.delete(range(prefix))),
  };
}

// The same on what keeps texts by name: localStorage, or a table in memory where even that is refused.
function texts(kind, rows) {
  const own = (key) => `${NAME}/${key}`;
  const names = (prefix) => rows.keys().filter((name) => name.startsWith(own(prefix)));
  return {
    kind,
    get: async (key) => JSON.parse(rows.get(own(key)) ?? "null") ?? undefined,
    all: async (prefix) => names(prefix).map((name) => JSON.parse(rows.get(name))),
    change: async (puts, removes) => {
      for (const [key, value] of Object.entries(puts)) rows.set(own(key), JSON.stringify(value));
      for (const key of removes) rows.remove(own(key));
    },
    clear: async (prefix) => names(prefix).forEach((name) => rows.remove(name)),
  };
}

function lasting() {
  localStorage.setItem(`${NAME}?`, "1");
  localStorage.removeItem(`${NAME}?`);
  return texts("storage", {
    get: (name) => localStorage.getItem(name),
    set: (name, value) => localStorage.setItem(name, value),
    remove: (name) => localStorage.removeItem(name),
    keys: () => Object.keys(localStorage),
  });
}

function fleeting() {
  const rows = new Map();
  return texts("memory", {
    get: (name) => rows.get(name) ?? null,
    set: (name, value) => rows.set(name, value),
    remove: (name) => rows.delete(name),
    keys: () => [...rows.keys()],
  });
}

// `scope` is the link's own: two links on one telephone never meet.
export async function openStore(scope) {
  for (const kind of [database, lasting, fleeting]) {
    try {
      keep = await kind();
      break;
    } catch {
      // the next one
    }
  }
  const own = (key) => `${scope}/${key}`;
  return {
    kind: keep.kind,
    get: (key) => keep.get(own(key)),
    all: (prefix) => keep.all(own(prefix)),
    // All of it or nothing of it: rows to put by key, and keys to remove.
    change: (puts, removes = []) => keep.change(
      Object.fromEntries(Object.entries(puts).map(([key, value]) => [own(key), value])),
      removes.map(own),
    ),
    clear: () => keep.clear(own("")),
  };
}

export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID(); // only where the page came encrypted
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
