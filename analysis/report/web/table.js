// Tables that can be sorted by every column and searched.

const FIRST_ROWS = 100;
const LONG_TEXT = 40; // letters; a longer one takes several lines

/**
 * A table of rows. A column has a title, value(row), and may have text(row), for how
 * the value reads, number (aligned right), lines (its text has line breaks)
 * and link(row).
 */
function sortableTable({ caption, columns, rows, sortBy = null, rowLimit = FIRST_ROWS }) {
  const state = { sorted: sortBy, up: false, words: "", limit: rowLimit };
  const body = make("tbody");
  const count = make("p", { role: "status" });
  const more = make("button", { type: "button", class: "more" });
  const search = make("input", { type: "search", autocomplete: "off" });
  const headings = columns.map((column, place) => {
    const button = make("button", { type: "button" }, column.title);
    button.addEventListener("click", () => sort(place));
    const kind = column.number ? { class: "n" } : {};
    return make("th", { scope: "col", ...kind }, button);
  });

  const textOf = (column, row) => {
    if (column.text) return column.text(row);
    const value = column.value(row);
    return column.number ? number(value) : value || MISSING;
  };
  const searched = rows.map((row) =>
    columns.map((column) => textOf(column, row)).join("\n").toLowerCase(),
  );

  function sort(place) {
    state.up = state.sorted === place ? !state.up : !columns[place].number;
    state.sorted = place;
    show();
  }

  function chosen() {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const found = rows.filter((_, place) =>
      words.every((word) => searched[place].includes(word)),
    );
    if (state.sorted === null) return found;
    const { value } = columns[state.sorted];
    const sign = state.up ? 1 : -1;
    return found.sort((a, b) => compare(value(a), value(b), sign));
  }

  function show() {
    const found = chosen();
    body.replaceChildren(...found.slice(0, state.limit).map(rowElement));
    headings.forEach((heading, place) => {
      const order = state.up ? "ascending" : "descending";
      heading.setAttribute("aria-sort", place === state.sorted ? order : "none");
    });
    const of = found.length === rows.length ? "" : ` of ${whole(rows.length)}`;
    count.textContent = `${whole(found.length)}${of} ${rows.length === 1 ? "row" : "rows"}`;
    more.hidden = found.length <= state.limit;
    more.textContent = `Show all ${whole(found.length)} rows`;
  }

  function rowElement(row) {
    return make("tr", {}, ...columns.map((column, place) => {
      const text = String(textOf(column, row));
      const link = column.link?.(row);
      const content = link ? make("a", { href: link }, text) : text;
      const long = column.lines ? "lines" : text.length > LONG_TEXT ? "long" : "";
      const kind = column.number ? { class: "n" } : long ? { class: long } : {};
      if (place === 0) return make("th", { scope: "row", ...kind }, content);
      return make("td", kind, content);
    }));
  }

  search.addEventListener("input", () => {
    state.words = search.value;
    show();
  });
  more.addEventListener("click", () => {
    state.limit = Infinity;
    show();
  });
  show();
  const table = make(
    "table", { class: "sortable" },
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...headings)),
    body,
  );
  const bar = make("div", { class: "controls" }, make("label", {}, "Search ", search), count);
  const frame = { class: "table", tabindex: "0", role: "region", "aria-label": caption };
  return make("div", {}, bar, make("div", frame, table), more);
}

/** Numbers by size, texts by alphabet, and what is missing last in either direction. */
function compare(a, b, sign) {
  const lacks = (value) => value === null || value === undefined || value === "";
  if (lacks(a) || lacks(b)) return Number(lacks(a)) - Number(lacks(b));
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
}

/** Build what a details element holds when it is opened, and again after a change. */
function onOpening(details, build) {
  const fill = () => {
    if (!details.open) return;
    const summary = details.querySelector("summary");
    details.replaceChildren(summary, build());
  };
  details.addEventListener("toggle", fill);
  return fill;
}
