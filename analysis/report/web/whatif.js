// Layer time and tokens/s on another machine: the formula of analysis/whatif/project.py.

const TERMS = ["tensor", "vector", "hbm", "on_chip", "fixed"];
const TERM_TITLES = {
  tensor: "tensor", vector: "vector", hbm: "HBM", on_chip: "on-chip", fixed: "launch",
};
const SLIDER_TITLES = {
  hbm: "HBM bandwidth", bf16_tensor: "BF16 tensor rate", fp8_tensor: "FP8 tensor rate",
  fp4_tensor: "FP4 tensor rate", fp32: "Vector (FP32) rate", on_chip: "On-chip bandwidth",
  latency: "Launch latency",
};
const DATAPATHS = ["fp4_tensor", "fp8_tensor", "bf16_tensor", "fp32"];
const SLIDER_REACH = 4; // powers of two to either side
const OWN_SETTING = "own setting";

/** Seconds over a multiple of the resource; no work needs none of it. */
const over = (seconds, multiple) => (seconds ? seconds / multiple : 0);

/** Seconds of each term of one call, resources being multiples of the source's. */
function termsOn(call, multiples) {
  return {
    tensor: Math.max(...DATAPATHS.map((path) => over(call[path], multiples[path]))),
    vector: over(call.vector_s, multiples.fp32),
    hbm: over(call.hbm_s, multiples.hbm),
    on_chip: over(call.on_chip_s, multiples.on_chip),
    fixed: call.fixed_s * multiples.latency,
  };
}

/** Seconds of one call and the term that takes most of them. */
function project(call, multiples) {
  const terms = termsOn(call, multiples);
  const slowest = Math.max(terms.tensor, terms.vector, terms.hbm, terms.on_chip);
  const limit = TERMS.reduce((a, b) => (terms[b] > terms[a] ? b : a));
  return { seconds: slowest + terms.fixed, limit };
}

const total = (calls, name, seconds) =>
  calls.reduce((sum, call) => sum + (call[name] ? call[name] * seconds(call) : 0), 0);

function startWhatif() {
  const { layers, presets, datapaths, source } = data.whatif;
  const calls = Map.groupBy(rowsOf(data.whatif.calls), (call) => call.layer);
  const chart = byId("whatif-chart");
  const selects = layerSelects("whatif");
  const preset = byId("whatif-preset");
  const sliders = addSliders(["hbm", ...datapaths, "fp32", "on_chip", "latency"]);
  offer(preset, [source, ...presets.map((one) => one.name), OWN_SETTING]);
  byId("what-if-model").textContent =
    `Sliders are multiples of ${source}, path ${layers[0].path}, ${layers[0].cache} L2. Each call's time is split into terms by what the kernel's own ` +
    "sweep shows; on another machine a term shrinks as its resource grows, the longest one counts, and the " +
    "launch part is added. Software and clocks stay as they were.";
  let rows = [];
  const refill = onOpening(byId("whatif-rows"), () => sortableTable({
    caption: "Calls on the source and on the other machine", columns: WHATIF_COLUMNS, rows, rowLimit: Infinity,
  }));
  const update = () => {
    const layer = chooseLayer(layers, selects, ["phase", "size", "kv"]);
    const own = calls.get(layers.indexOf(layer));
    const multiples = Object.fromEntries(DATAPATHS.map((path) => [path, 1]));
    for (const [name, slider] of sliders) multiples[name] = slider.multiple();
    const projected = new Map(own.map((call) => [call, project(call, multiples)]));
    rows = own.filter((call) => call.count).map((call) => ({ ...call, ...projected.get(call) }));
    printResults(layer, own, (call) => projected.get(call).seconds);
    refill();
    drawWhatif(chart, rows, source);
  };
  preset.addEventListener("change", () => {
    const chosen = presets.find((one) => one.name === preset.value);
    byId("whatif-note").textContent = chosen?.assumed.length
      ? `Assumed for ${chosen.name}, whose data sheet is silent: ${chosen.assumed.join(", ")}.` : "";
    if (preset.value === OWN_SETTING) return;
    for (const [name, slider] of sliders) slider.set(chosen ? chosen.multiples[name] : 1);
  });
  byId("whatif-sliders").addEventListener("input", () => {
    preset.value = OWN_SETTING;
    byId("whatif-note").textContent = "";
    update();
  });
  onChange(chart, update);
}

/** Two parts: what the layer takes, and what the model makes of it. */
function printResults(layer, calls, seconds) {
  const before = total(calls, "count", (call) => call.time_s);
  const after = total(calls, "count", seconds);
  const least = layer.missing.length ? "at least " : "";
  const impossible = !Number.isFinite(after);
  byId("whatif-layer").value = impossible ? "not possible" : least + micros(after);
  byId("whatif-layer").dataset.seconds = after;
  byId("whatif-before").textContent = impossible
    ? "this machine lacks a datapath that the layer needs"
    : `${least}${micros(before)} on the source` + (layer.missing.length ? `; without ${layer.missing.join(", ")}` : "");
  byId("whatif-speedup").value = impossible ? MISSING : number(before / after);
  const model = total(calls, "model", seconds);
  const known = layer.model_missing !== null && model > 0 && Number.isFinite(model);
  byId("whatif-tokens").value = known ? number(layer.tokens / model) : MISSING;
  byId("whatif-tokens").dataset.rate = known ? layer.tokens / model : "";
  const unknown = layer.model_missing === null || Number.isFinite(model)
    ? "not known: the profile does not say how many layers the model has"
    : "none: this machine lacks a datapath that the model needs";
  const most = layer.model_missing?.length ? `; at most, without ${layer.model_missing.join(", ")}` : "";
  byId("whatif-tokens-of").textContent = known
    ? `through the whole model, ${number(layer.tokens / total(calls, "model", (call) => call.time_s))} on the source${most}`
    : unknown;
}

function drawWhatif(chart, rows, source) {
  const texts = (value) => rows.map((row) => lines(
    callText(row), `${micros(value(row))} in ${plural(row.count, "call")}`,
    `limited by ${TERM_TITLES[row.limit]} then; fit off by ${number(row.error_pct)} % on sizes left out`,
  ));
  const before = (row) => row.count * row.time_s;
  const after = (row) => row.count * row.seconds;
  const micro = (value) => rows.map((row) => (Number.isFinite(value(row)) ? value(row) * 1e6 : null));
  return drawBars(
    chart,
    "Time of each call of the layer on the source and on the other machine.",
    rows.map((row) => (row.count > 1 ? `${row.count} x ` : "") + callText(row)),
    [
      { name: source, color: "#7d7d7d", pattern: "/", values: micro(before), texts: texts(before) },
      { name: "this setting", color: "#0072b2", values: micro(after), texts: texts(after) },
    ],
    "Time in the layer (us)",
  );
}

const WHATIF_COLUMNS = [
  { title: "Kernel", value: (row) => row.kernel, link: (row) => kernelHash(row.kernel) },
  { title: "Op", value: (row) => row.op },
  { title: "Calls", value: (row) => row.count, text: (row) => String(row.count), number: true },
  { title: "Source (us)", value: (row) => row.count * row.time_s * 1e6, number: true },
  { title: "This setting (us)", value: (row) => row.count * row.seconds * 1e6, number: true },
  { title: "Limited by", value: (row) => TERM_TITLES[row.limit] },
  { title: "Fit's error (%)", value: (row) => row.error_pct, number: true },
  {
    title: "Terms that no size reached",
    value: (row) => row.not_identified.split(" ").filter(Boolean).map((term) => TERM_TITLES[term]).join(", "),
  },
];

/** A slider a resource on a scale of powers of two, each with what it says in words. */
function addSliders(names) {
  const form = byId("whatif-sliders");
  return new Map(names.map((name) => {
    const id = `slider-${name}`;
    const input = make("input", {
      id, type: "range", min: -SLIDER_REACH, max: SLIDER_REACH, step: 0.125, value: 0,
    });
    const said = make("output", { for: id });
    let multiple = 1;
    const say = () => {
      const text = multiple ? `${number(multiple)} times` : "not there";
      said.value = text;
      input.setAttribute("aria-valuetext", text);
    };
    const set = (value) => {
      multiple = value;
      input.value = value ? Math.log2(value) : -SLIDER_REACH;
      say();
    };
    input.addEventListener("input", () => {
      multiple = 2 ** input.valueAsNumber;
      say();
    });
    say();
    form.append(make("label", { for: id }, SLIDER_TITLES[name], input, said));
    return [name, { multiple: () => multiple, set }];
  }));
}
