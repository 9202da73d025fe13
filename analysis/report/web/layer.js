// The layer's calls one after another, cold and warm.

const LAYER_PARTS = { moe: "MoE layer", dense: "dense layer" };

function startLayer() {
  const { layers } = data.layer;
  const calls = Map.groupBy(rowsOf(data.layer.calls), (call) => call.layer);
  const chart = byId("layer-chart");
  const selects = layerSelects("layer");
  const part = byId("layer-part");
  let shown = [];
  const refill = onOpening(byId("layer-rows"), () => sortableTable({
    caption: "Calls of the layer in order", columns: LAYER_COLUMNS, rows: shown, rowLimit: Infinity,
  }));
  const update = () => {
    const layer = chooseLayer(layers, selects, ["path", "phase", "size", "kv"]);
    offer(part, Object.keys(LAYER_PARTS).filter((name) =>
      ["cold", "warm"].some((cache) => layer.times[cache][name])), (name) => LAYER_PARTS[name]);
    const own = calls.get(layers.indexOf(layer)).filter((call) => call[part.value]);
    shown = own.map((call, place) => ({ ...call, place: place + 1, count: call[part.value] }));
    byId("layer-sum").textContent = layerSum(layer, part.value, shown);
    refill();
    drawBars(
      chart,
      `Waterfall of ${plural(shown.length, "call")}, each beginning where the one before ends.`,
      shown.map((call) => (call.count > 1 ? `${call.count} x ` : "") + callText(call)),
      ["cold", "warm"].map((cache) => cascade(shown, cache)),
      "Time since the layer began (us)",
    );
  };
  onChange(chart, update);
}

/** Bars of one cache state, each beginning where the one before ends. */
function cascade(calls, cache) {
  let reached = 0;
  const bars = calls.map((call) => {
    const start = reached;
    const us = call[`${cache}_us`] === null ? 0 : call.count * call[`${cache}_us`];
    reached += us;
    return { start, us };
  });
  return {
    name: `${cache} L2`,
    color: CACHE_COLORS[cache],
    pattern: CACHE_PATTERNS[cache],
    starts: bars.map((bar) => bar.start),
    values: bars.map((bar) => bar.us),
    texts: calls.map((call, place) => lines(
      callText(call),
      call.missing
        ? `no time: ${call.missing}`
        : `${number(bars[place].us)} us ${cache}, ${number(100 * bars[place].us / reached)} % of the layer`,
      call.step,
      call.count > 1 ? `${call.count} calls` : "",
      call.stands_in ? "a counterpart of what the model runs" : "",
    )),
  };
}

function layerSum(layer, part, calls) {
  const missing = calls.filter((call) => call.missing);
  const sums = ["cold", "warm"].filter((cache) => layer.times[cache][part]).map((cache) => {
    const time = layer.times[cache][part];
    const least = time.missing.length ? "at least " : "";
    const rate = layer.tokens_per_s[cache];
    const most = layer.times[cache].model?.missing.length ? "at most " : "";
    const tokens = rate === null ? "" : `, ${most}${number(rate)} tokens/s through the whole model`;
    return `${cache} L2: ${least}${number(time.us)} us${tokens}`;
  });
  const lacks = missing.length ? `. Without a time: ${distinct(missing.map(callText)).join(", ")}` : "";
  return `${capital(LAYER_PARTS[part])}, ${sums.join("; ")}${lacks}.`;
}

const LAYER_COLUMNS = [
  { title: "#", value: (call) => call.place, text: (call) => String(call.place), number: true },
  { title: "Kernel", value: (call) => call.kernel, link: (call) => kernelHash(call.kernel) },
  { title: "Op", value: (call) => call.op },
  { title: "Step", value: (call) => call.step },
  { title: "Category", value: (call) => call.category },
  { title: "Calls", value: (call) => call.count, text: (call) => String(call.count), number: true },
  { title: "Cold (us a call)", value: (call) => call.cold_us, number: true },
  { title: "Warm (us a call)", value: (call) => call.warm_us, number: true },
  { title: "Stands in", value: (call) => (call.stands_in ? "yes" : "no") },
  { title: "No time because", value: (call) => call.missing },
];

const layerSelects = (prefix) => ({
  path: byId(`${prefix}-path`), phase: byId(`${prefix}-phase`),
  size: byId(`${prefix}-size`), kv: byId(`${prefix}-kv`),
});

const LAYER_KEYS = {
  path: (layer) => layer.path,
  phase: (layer) => layer.phase,
  size: (layer) => (layer.phase === "prefill" ? `B=${layer.batch_size} S=${layer.seq_len}` : `B=${layer.batch_size}`),
  kv: (layer) => (layer.kv_len === null ? MISSING : `kv_len ${layer.kv_len}`),
};

/** Offer what is left after each choice, in this order, and return the layer chosen. */
function chooseLayer(layers, selects, order) {
  return order.reduce((left, name) => {
    const key = LAYER_KEYS[name];
    offer(selects[name], distinct(left.map(key)));
    return left.filter((layer) => key(layer) === selects[name].value);
  }, layers)[0];
}

/** Update now and after every change of a form in the chart's section. */
function onChange(chart, update) {
  for (const form of chart.closest("section").querySelectorAll("form")) {
    form.addEventListener("change", update);
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  update();
}
