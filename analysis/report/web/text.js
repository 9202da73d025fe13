// Data into rows, values into text, and text into elements: never into markup.

const data = JSON.parse(document.getElementById("data").textContent);
const MISSING = "-";
// Made once: a table of all points formats ten thousand numbers.
const GROUPED = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

const byId = (id) => document.getElementById(id);

/** Columns as rows; a column of texts has each text once, and its places. */
function rowsOf(columns) {
  const names = Object.keys(columns ?? {});
  const values = names.map((name) => {
    const column = columns[name];
    return Array.isArray(column) ? column : column.at.map((place) => column.of[place]);
  });
  const count = names.length ? values[0].length : 0;
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(names.map((name, column) => [name, values[column][row]])),
  );
}

/** An element; children that are texts stay texts. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Three significant digits; digits before the point are never dropped. */
function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
  if (!Number.isFinite(value)) return "infinite";
  if (value === 0) return "0";
  return Math.abs(value) >= 100 ? GROUPED.format(value) : value.toPrecision(3);
}

const whole = (value) => (value === null ? MISSING : GROUPED.format(value));
const micros = (seconds) => `${number(seconds * 1e6)} us`;
const distinct = (values) => [...new Set(values)];
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;

/** For example "decode B=4" or "prefill B=1 S=1024 kv=512". */
function sizeText(row) {
  if (!row.phase) return "";
  const length = row.phase === "prefill" ? ` S=${row.seq_len}` : "";
  const context = row.kv_len === null ? "" : ` kv=${row.kv_len}`;
  return `${row.phase} B=${row.batch_size}${length}${context}`;
}

const callText = (row) => [row.kernel, row.op].filter(Boolean).join(" ");

/** Fill a select with values; what was chosen stays so if it is still there. */
function offer(select, values, title = String) {
  const before = select.value;
  select.replaceChildren(
    ...values.map((value) => make("option", { value: String(value) }, title(value))),
  );
  if (values.map(String).includes(before)) select.value = before;
  select.closest("label").hidden = values.length < 2;
}

const kernelHash = (name) => `#kernel/${encodeURIComponent(name)}`;
