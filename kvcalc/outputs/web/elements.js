// What the page is built of: elements, whose texts are never markup.

const SVG = "http://www.w3.org/2000/svg";

const found = (id) => document.getElementById(id);

/** An element with attributes (null: left out) and children, each an element or a text. */
function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

const html = (tag, attributes = {}, ...children) =>
  made(document.createElement(tag), attributes, children);

const drawn = (tag, attributes = {}, ...children) =>
  made(document.createElementNS(SVG, tag), attributes, children);

/** A button that looks like a link, for a choice that is made elsewhere too. */
function choice(text, pressed, act) {
  const button = html("button", { type: "button", class: "choice", "aria-pressed": pressed }, text);
  button.addEventListener("click", act);
  return button;
}

/** A table of a head and rows, whose cells are texts or elements; the first heads its row. */
function fill(table, head, rows) {
  const cell = (one, at) => html(at === 0 ? "th" : "td", at === 0 ? { scope: "row" } : {}, one);
  table.replaceChildren(
    html("thead", {}, html("tr", {}, ...head.map((name) => html("th", { scope: "col" }, name)))),
    html("tbody", {}, ...rows.map(({ cells, chosen }) =>
      html("tr", { class: chosen ? "chosen" : null }, ...cells.map(cell)))),
  );
}

/** Bytes for a cell: exact, and in their binary unit beneath. */
const amountCell = (bytes) =>
  bytes === null
    ? "\u2013"
    : html("span", { class: "amount" }, grouped(bytes), html("small", {}, binarySize(bytes)));

/** A text in which addresses of the web are links. */
function linked(text) {
  return text.split(/(https:\/\/[^\s,;()]+)/).map((part, at) =>
    at % 2 ? html("a", { href: part, rel: "noreferrer" }, part.replace("https://", "")) : part,
  );
}

/** A text that may be broken behind a comma, and is copied without the breaks. */
const broken = (text) => text.split(/(?<=,)/).flatMap((part) => [part, html("wbr")]);
