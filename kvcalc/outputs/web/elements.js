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

/**
 * Give an element these children. What is there already stays and only changes: so the focus stays
 * where it is, and what is the same needs no new layout.
 */
function patch(parent, children) {
    children.forEach((child, at) => {
        const old = parent.childNodes[at];
        if (old === undefined) parent.append(child);
        else if (old.nodeName !== child.nodeName) old.replaceWith(child);
        else if (old.nodeType === Node.TEXT_NODE) {
            if (old.data !== child.data) old.data = child.data;
        } else {
            for (const { name } of [...old.attributes]) {
                if (!child.hasAttribute(name)) old.removeAttribute(name);
            }
            for (const { name, value } of child.attributes) {
                if (old.getAttribute(name) !== value) old.setAttribute(name, value);
            }
            patch(old, [...child.childNodes]);
        }
    });
    while (parent.childNodes.length > children.length) parent.lastChild.remove();
}

/** A button that looks like a link, for a choice that is made elsewhere too. */
function choice(text, pressed, act) {
    const button = html(
        "button",
        { type: "button", class: "choice", "aria-pressed": pressed },
        text,
    );
    button.addEventListener("click", act);
    return button;
}

/** A table of a head and rows, whose cells are texts or elements; the first heads its row. */
function fill(table, head, rows) {
    const cell = (one, at) => html(at === 0 ? "th" : "td", at === 0 ? { scope: "row" } : {}, one);
    patch(table, [
        html(
            "thead",
            {},
            html("tr", {}, ...head.map((name) => html("th", { scope: "col" }, name))),
        ),
        html(
            "tbody",
            {},
            ...rows.map(({ cells, chosen }) =>
                html("tr", { class: chosen ? "chosen" : null }, ...cells.map(cell)),
            ),
        ),
    ]);
}

/** Bytes for a cell: exact, and in their binary unit beneath. */
const amountCell = (bytes) =>
    bytes === null
        ? "\u2013"
        : html("span", { class: "amount" }, grouped(bytes), html("small", {}, binarySize(bytes)));

/** A text in which addresses of the web are links. */
function linked(text) {
    return text
        .split(/(https:\/\/[^\s,;()]+)/)
        .map((part, at) =>
            at % 2
                ? html("a", { href: part, rel: "noreferrer" }, part.replace("https://", ""))
                : part,
        );
}

/** A text that may be broken behind a comma, and is copied without the breaks. */
const broken = (text) => text.split(/(?<=,)/).flatMap((part) => [part, html("wbr")]);
