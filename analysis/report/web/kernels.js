// The kernel table, and a page for each kernel with its points and launches.

const launchRows = rowsOf(data.launches);
const catalogue = new Map(data.catalogue.map((entry) => [entry.name, entry]));
const TICKS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x"];

const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (!sorted.length) return null;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** The text that occurs most, and how often. */
function commonest(texts) {
  const counts = Map.groupBy(texts.filter(Boolean), (text) => text);
  const [name, own] = [...counts].reduce((a, b) => (b[1].length > a[1].length ? b : a), ["", []]);
  return { name, count: own.length };
}

/** One row a kernel and op, of points, or of counted launches without a point. */
function kernelRows() {
  const key = (row) => `${row.kernel}\n${row.op}`;
  const points = Map.groupBy(pointRows, key);
  const counted = Map.groupBy(countedRows, key);
  const names = distinct([...points.keys(), ...counted.keys()]);
  const rows = names.map((name) => kernelRow(points.get(name) ?? [], counted.get(name) ?? []));
  const known = new Set(rows.map((row) => row.kernel));
  const silent = data.catalogue.filter((entry) => !known.has(entry.name));
  return [...rows, ...silent.map((entry) => ({ ...kernelRow([], []), ...entry, kernel: entry.name }))];
}

function kernelRow(points, counted) {
  const first = points[0] ?? counted[0] ?? {};
  const timed = points.filter((row) => row.status === "ok");
  const of = (name) => timed.map((row) => row[name]).filter((value) => value !== null);
  const cache = of("cold_us").length ? "cold" : "warm";
  const classes = timed.length
    ? timed.map((row) => verdict(row, cache).name)
    : counted.map((row) => row.class);
  const times = of(`${cache}_us`);
  const measured = counted.map((row) => row.duration_us).filter((value) => value !== null);
  return {
    kernel: first.kernel ?? "",
    op: first.op ?? "",
    category: first.category ?? "",
    source: first.source ?? "",
    planned: points.length,
    timed: timed.length,
    shortest: times.length ? Math.min(...times) : null,
    longest: times.length ? Math.max(...times) : null,
    warm: of("warm_us").length ? Math.max(...of("warm_us")) : null,
    ncu: measured.length ? Math.max(...measured) : null,
    share: median(of(`${cache}_peak_pct`)),
    counted: counted.length,
    classes: classes.length,
    class: commonest(classes),
    limiter: commonest(timed.length
      ? timed.map((row) => verdict(row, cache).limiter) : counted.map((row) => row.limiter)).name,
  };
}

function startKernels() {
  const rows = kernelRows();
  const anyPlanned = rows.some((row) => row.planned);
  const anyTimed = rows.some((row) => row.timed);
  const columns = [
    { title: "Kernel", value: (row) => row.kernel, link: (row) => kernelHash(row.kernel) },
    { title: "Op", value: (row) => row.op },
    { title: "Category", value: (row) => row.category },
    { title: "Library", value: (row) => row.source },
    { title: "Timed", value: (row) => row.timed, text: (row) => `${row.timed} of ${row.planned}`, number: true },
    { title: "Shortest, cold (us)", value: (row) => row.shortest, number: true },
    { title: "Longest, cold (us)", value: (row) => row.longest, number: true },
    { title: "Longest, warm (us)", value: (row) => row.warm, number: true },
    { title: "Median % of roof, cold", value: (row) => row.share, number: true },
    { title: "Longest under ncu (us)", value: (row) => row.ncu, number: true },
    {
      title: "Class of most", value: (row) => row.class.name, lines: true,
      text: (row) => (row.class.count ? `${row.class.name}\n(${row.class.count} of ${row.classes})` : MISSING),
    },
    { title: "Limiter of most", value: (row) => row.limiter },
  ].filter(({ title }) => (title === "Timed" ? anyPlanned : anyTimed || !/cold|warm/.test(title)));
  byId("kernel-table").append(sortableTable({ caption: "Kernels and ops", columns, rows, rowLimit: Infinity }));
}

const POINT_COLUMNS = [
  { title: "Op", value: (row) => row.op },
  { title: "Size", value: sizeText },
  { title: "Tokens", value: (row) => row.tokens, text: (row) => whole(row.tokens), number: true },
  { title: "Cold (us)", value: (row) => row.cold_us, number: true },
  { title: "Warm (us)", value: (row) => row.warm_us, number: true },
  { title: "Roof (us)", value: (row) => row.roof_us, number: true },
  { title: "% of roof, cold", value: (row) => row.cold_peak_pct, number: true },
  { title: "FLOP/byte", value: (row) => row.intensity_flop_per_byte, number: true },
  { title: "Class, cold", value: (row) => row.cold_class || row.warm_class },
  { title: "Limiter", value: (row) => row.cold_limiter || row.warm_limiter },
  { title: "Basis", value: (row) => row.cold_basis || row.warm_basis },
  { title: "Timing", value: (row) => distinct([row.cold_state, row.warm_state].filter(Boolean)).join(", ") },
  {
    title: "Status", value: (row) => row.status,
    text: (row) => [row.status, row.reason].filter(Boolean).join(": "),
  },
];

const percent = (title, name) => ({ title, value: (row) => row[name], number: true });
const COUNTED_COLUMNS = [
  { title: "Op", value: (row) => row.op || row.name },
  { title: "Size", value: sizeText },
  { title: "L2", value: (row) => row.cache },
  percent("Graph (us)", "graph_us"),
  percent("Under ncu (us)", "duration_us"),
  percent("SM %", "sm_pct"),
  percent("Tensor %", "tensor_pipe_pct"),
  percent("Memory %", "memory_pct"),
  percent("DRAM %", "dram_pct"),
  percent("L2 hit %", "l2_hit_pct"),
  percent("Occupancy %", "achieved_occupancy_pct"),
  percent("DRAM bytes over compulsory", "traffic_amplification"),
  percent("Executed over analytic FLOP", "flop_inflation"),
  { title: "Class", value: (row) => row.class },
  { title: "Limiter", value: (row) => row.limiter },
  { title: "Because", value: (row) => row.evidence },
  { title: "Missing", value: (row) => row.missing },
];
const LAUNCH_COLUMNS = [
  { title: "Point", value: (row) => row.label || shortened(row.kernel_name, LONG_TEXT) },
  { title: "L2", value: (row) => row.cache },
  { title: "Launch", value: (row) => row.launch, text: (row) => String(row.launch), number: true },
  { title: "Grid", value: (row) => row.grid },
  { title: "Block", value: (row) => row.block },
  percent("Time under ncu (us)", "duration_us"),
  percent("SM %", "sm_pct"),
  percent("Tensor %", "tensor_pipe_pct"),
  percent("Memory %", "memory_pct"),
  percent("DRAM %", "dram_pct"),
  percent("L2 hit %", "l2_hit_pct"),
  percent("Occupancy %", "achieved_occupancy_pct"),
  { ...percent("Registers", "registers_per_thread"), text: (row) => whole(row.registers_per_thread) },
  percent("Waves per SM", "waves_per_sm"),
  percent("DRAM bytes", "dram_bytes"),
];

/** Fill the page of one kernel; false where the profile does not know it. */
function showKernel(page, name) {
  const own = (rows) => rows.filter((row) => row.kernel === name);
  const points = own(pointRows).sort((a, b) => (b.status === "ok") - (a.status === "ok"));
  const counted = own(countedRows);
  const launches = own(launchRows);
  const entry = catalogue.get(name);
  const programs = programRows.filter((row) => row.friendly === name);
  page.querySelectorAll(".chart").forEach(forget);
  const title = make("h1", { id: "kernel-title" }, name);
  const back = make("a", { href: "#kernels" }, "Back to the report");
  page.replaceChildren(make("p", {}, back), title);
  if (!points.length && !counted.length && !entry && !programs.length) {
    page.append(make("p", {}, "This profile has no kernel of this name."));
    return;
  }
  const first = entry ?? points[0] ?? counted[0] ?? {};
  const about = [first.category ?? programs[0]?.family, first.source ?? programs[0]?.library, entry?.summary];
  page.append(make("p", {}, about.filter(Boolean).join(". ")));
  if (entry?.reason) page.append(make("p", {}, `Did not run here: ${entry.reason}`));
  if (entry?.limits.length) page.append(make("ul", {}, ...entry.limits.map((text) => make("li", {}, text))));
  addKernelCharts(page, name, points);
  const tables = [
    ["Points", points, POINT_COLUMNS, "Every planned point of this kernel"],
    ["Counters", counted, COUNTED_COLUMNS, "Counters of this kernel, all launches of a point together"],
    ["Launches", launches, LAUNCH_COLUMNS, "Launches of this kernel under ncu"],
    ["In recorded programs", programs, PROGRAM_COLUMNS, "This kernel in recorded programs"],
  ];
  for (const [heading, rows, columns, caption] of tables) {
    if (rows.length) page.append(make("h2", {}, heading), sortableTable({ caption, columns, rows }));
  }
  const names = distinct([...launches, ...programs].map((row) => row.kernel_name));
  if (names.length) {
    const items = names.map((text) => make("li", {}, make("code", {}, text)));
    page.append(make("h2", {}, "Full names of what was launched"), make("ul", {}, ...items));
  }
  if (!counted.length) page.append(make("p", {}, "No counters of this kernel were captured."));
}

function addKernelCharts(page, name, points) {
  const levels = Object.keys(LEVELS);
  const marks = ["cold", "warm"].map((cache) => marksOf(levels, cache)).find((all) =>
    all.some((mark) => mark.row.kernel === name))?.filter((mark) => mark.row.kernel === name);
  if (marks?.length) {
    const shownLevels = levels.filter((level) => marks.some((mark) => mark.level === level));
    const chart = make("div", { class: "chart", role: "img" });
    page.append(make("h2", {}, `Roofline, ${marks[0].cache} L2`), make("p", {}, formsKey(shownLevels)), chart);
    drawRoofline(chart, marks, { levels, height: 420 });
  }
  const timed = points.filter((row) => row.status === "ok");
  if (!timed.length) return;
  const chart = make("div", { class: "chart", role: "img" });
  page.append(make("h2", {}, "Time"), chart);
  draw(chart, `Time of ${name} over tokens`, timeTraces(timed), {
    height: 420,
    xaxis: logAxis("Tokens"),
    yaxis: logAxis("Time (us)"),
  });
}

/** A line for each op, phase, context length and cache state. */
function timeTraces(timed) {
  const series = Map.groupBy(timed, (row) => [row.op, row.phase, row.kv_len ?? ""].join("\n"));
  return [...series.values()].flatMap((rows, place) => ["cold", "warm"].flatMap((cache) => {
    const ordered = rows.filter((row) => row[`${cache}_us`]).sort((a, b) => a.tokens - b.tokens);
    const { op, phase, kv_len: context } = rows[0];
    const kv = context === null ? "" : ` kv=${context}`;
    return ordered.length ? [{
      type: "scatter",
      mode: "lines+markers",
      x: ordered.map((row) => row.tokens),
      y: ordered.map((row) => row[`${cache}_us`]),
      name: plain(`${op}, ${phase}${kv}, ${cache}`),
      hovertext: ordered.map((row) => lines(op, sizeText(row), `${number(row[`${cache}_us`])} us ${cache}`)),
      hoverinfo: "text",
      line: { color: COLORS[place % COLORS.length], dash: cache === "cold" ? "solid" : "dot", width: 1.5 },
      marker: { symbol: TICKS[place % TICKS.length] + (cache === "cold" ? "" : "-open"), size: 6 },
    }] : [];
  }));
}
