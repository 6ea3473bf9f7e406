// A document as it will be printed, while it is written: headings, lists, bold, paragraphs.
const title = document.getElementById("f-title");
const body = document.getElementById("f-body");
const sheet = document.getElementById("preview");
const MARKS = { "## ": "h3", "# ": "h3", "- ": "li", "* ": "li" };

function runs(text) {
  return text.split(/\*\*(.+?)\*\*/).map((piece, at) => {
    if (at % 2 === 0) return document.createTextNode(piece);
    const bold = document.createElement("strong");
    bold.textContent = piece;
    return bold;
  });
}

function put(name, text, parent) {
  const element = document.createElement(name);
  element.append(...runs(text));
  parent.append(element);
}

function show() {
  const page = document.createDocumentFragment();
  put("h2", title.value, page);
  let list = null;
  let lines = [];
  const flush = () => {
    if (lines.length) put("p", lines.join(" "), page);
    lines = [];
  };
  for (const line of [...body.value.split("\n"), ""]) {
    const text = line.trim();
    const mark = Object.keys(MARKS).find((each) => text.startsWith(each));
    if (mark || !text) flush();
    if (!mark || MARKS[mark] !== "li") list = null;
    if (mark && MARKS[mark] === "li") {
      list ??= page.appendChild(document.createElement("ul"));
      put("li", text.slice(mark.length).trim(), list);
    } else if (mark) put(MARKS[mark], text.slice(mark.length).trim(), page);
    else if (text) lines.push(text);
  }
  sheet.replaceChildren(page);
}

for (const field of [title, body]) field.addEventListener("input", show);
show();
