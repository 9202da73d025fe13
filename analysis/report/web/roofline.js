// The roofline: points by category, roofs, filters, and the same points as a table.

const LEVELS = {
  analytic: { title: "analytic", form: "", words: "filled" },
  dram: { title: "measured at DRAM", form: "-open", words: "open" },
  l2: { title: "measured at L2", form: "-open-dot", words: "open with a dot" },
  l1: { title: "measured at L1", form: "-dot", words: "filled with a dot" },
};
const DASHES = { spec: "solid", burst: "dash", sustained: "dot" };
const EVERY = "all";
const countedRows = rowsOf(data.counted);
const countedOf = new Map(countedRows.map((row) => [`${row.name} ${row.cache}`, row]));
const pointRows = rowsOf(data.points);
const timedRows = pointRows.filter((row) => row.status === "ok");
const categories = distinct([...pointRows, ...countedRows].map((row) => row.category));

/** What the form of a mark says, of the levels that there are. */
const formsKey = (levels) => {
  const forms = levels.map((level) => `${LEVELS[level].words} is ${LEVELS[level].title}`);
  return `Of a mark, ${forms.join("; ")}.`;
};

/** One mark for each level asked for: an intensity, a rate and the row it is of. */
function marksOf(levels, cache) {
  const marks = [];
  if (levels.includes("analytic")) {
    for (const row of timedRows) {
      const us = row[`${cache}_us`];
      if (us && row.flops) {
        marks.push({
          row, cache, level: "analytic", x: row.intensity_flop_per_byte,
          y: row.flops / us * 1e6,
        });
      }
    }
  }
  for (const level of levels.filter((name) => name !== "analytic")) {
    for (const row of countedRows) {
      const x = row[`intensity_${level}`];
      const y = row.flops_per_s_measured;
      if (x && y && (row.cache === cache || !row.cache)) {
        marks.push({ row, cache, level, x, y });
      }
    }
  }
  return marks;
}

/** Class and limiter of a row in a cache state, and what they stand on. */
function verdict(row, cache) {
  if (row.class !== undefined) return { name: row.class, limiter: row.limiter, basis: "counters" };
  return {
    name: row[`${cache}_class`], limiter: row[`${cache}_limiter`], basis: row[`${cache}_basis`],
  };
}

function hoverText({ row, cache, level, x, y }) {
  const counted = level !== "analytic";
  const us = (state) => (row[`${state}_us`] === undefined ? null : row[`${state}_us`]);
  const judged = verdict(row, cache);
  return lines(
    callText(row),
    [sizeText(row), row.m ? `m=${row.m} n=${row.n} k=${row.k}` : "", row.dtype].filter(Boolean).join(", "),
    counted
      ? `${number(row.graph_us ?? row.duration_us)} us ${row.cache || ""} (${number(row.duration_us)} us under ncu)`
      : `${number(us("warm"))} us warm, ${number(us("cold"))} us cold`,
    `${judged.name || "no class"}, limiter ${judged.limiter || MISSING} (${judged.basis || "no basis"})`,
    `${number(y / 1e12)} TFLOP/s at ${number(x)} FLOP/byte, ${LEVELS[level].title}`,
  );
}

function markTraces(marks) {
  const groups = Map.groupBy(marks, (mark) => `${mark.row.category}\n${mark.level}`);
  const named = new Set();
  return [...groups.values()].map((own) => {
    const { row, level } = own[0];
    const place = categories.indexOf(row.category);
    const first = !named.has(row.category);
    named.add(row.category);
    return {
      type: "scatter",
      mode: "markers",
      x: own.map((mark) => mark.x),
      y: own.map((mark) => mark.y),
      customdata: own.map((mark) => mark.row.kernel),
      hovertext: own.map(hoverText),
      hoverinfo: "text",
      name: plain(row.category || "no category"),
      legendgroup: `category ${place}`,
      showlegend: first,
      marker: {
        color: COLORS[place % COLORS.length],
        symbol: SYMBOLS[place % SYMBOLS.length] + LEVELS[level].form,
        size: 8,
        opacity: 0.85,
      },
    };
  });
}

/** The roofs of the marks' datapaths, from the left edge to the right one. */
function roofTraces(marks, measured, levels) {
  const used = new Set(marks.map((mark) => mark.row.datapath));
  const xs = marks.map((mark) => mark.x);
  const left = Math.min(...xs) / 2;
  const right = Math.max(...xs, 1000) * 2;
  const shown = data.roofs.filter(
    (roof) => used.has(roof.datapath) && roof.flops_per_s && (roof.kind === "spec" || measured),
  );
  const traces = shown.map((roof) => roofTrace(
    [left, roof.flops_per_s / roof.bytes_per_s, right],
    [left * roof.bytes_per_s, roof.flops_per_s, roof.flops_per_s],
    `${roof.kind} ${roof.datapath}: ${number(roof.flops_per_s / 1e12)} TFLOP/s, ` +
      `${number(roof.bytes_per_s / 1e12)} TB/s`,
    DASHES[roof.kind],
  ));
  if (data.l2_bytes_per_s && (levels.includes("l2") || levels.includes("l1"))) {
    const top = Math.max(...shown.map((roof) => roof.flops_per_s));
    traces.push(roofTrace(
      [left, top / data.l2_bytes_per_s], [left * data.l2_bytes_per_s, top],
      `measured L2: ${number(data.l2_bytes_per_s / 1e12)} TB/s`, "dashdot",
    ));
  }
  return traces;
}

function roofTrace(x, y, name, dash) {
  return {
    type: "scatter", mode: "lines", x, y, name: plain(name), hoverinfo: "name",
    hoverlabel: { namelength: -1 }, legendrank: 2000, // after the marks
    line: { color: "#80868f", width: dash === "solid" ? 2 : 1.5, dash },
  };
}

function drawRoofline(chart, marks, { measured = true, levels = ["analytic"], height = 560 } = {}) {
  const label = `Roofline of ${plural(marks.length, "mark")}: FLOP per second over FLOP per byte.`;
  return draw(
    chart,
    label,
    marks.length ? [...roofTraces(marks, measured, levels), ...markTraces(marks)] : [],
    {
      height,
      xaxis: logAxis("Arithmetic intensity (FLOP/byte)"),
      yaxis: logAxis("FLOP/s", RATE_TICKS),
      legend: { x: 1.01, y: 1, tracegroupgap: 0, font: { size: 11 } },
      annotations: marks.length ? [] : [{
        text: "No point has FLOP, bytes and a time here.", showarrow: false,
        xref: "paper", yref: "paper", x: 0.5, y: 0.5,
      }],
    },
  );
}

const MARK_COLUMNS = [
  { title: "Kernel", value: (mark) => mark.row.kernel, link: (mark) => kernelHash(mark.row.kernel) },
  { title: "Op", value: (mark) => mark.row.op },
  { title: "Size", value: (mark) => sizeText(mark.row) },
  { title: "Points", value: (mark) => LEVELS[mark.level].title },
  { title: "FLOP/byte", value: (mark) => mark.x, number: true },
  { title: "TFLOP/s", value: (mark) => mark.y / 1e12, number: true },
  { title: "Class", value: (mark) => verdict(mark.row, mark.cache).name },
  { title: "Limiter", value: (mark) => verdict(mark.row, mark.cache).limiter },
];

function startRoofline() {
  const chart = byId("roof-chart");
  const form = chart.closest("section").querySelector("form");
  const all = [...timedRows, ...countedRows];
  const choices = {
    phase: byId("roof-phase"), category: byId("roof-category"), kernel: byId("roof-kernel"),
  };
  for (const [name, select] of Object.entries(choices)) {
    offer(select, [EVERY, ...distinct(all.map((row) => row[name])).filter(Boolean)]);
  }
  const caches = ["cold", "warm"].filter(
    (cache) => timedRows.some((row) => row[`${cache}_us`]) ||
      countedRows.some((row) => row.cache === cache || !row.cache),
  );
  offer(byId("roof-cache"), caches);
  const has = Object.keys(LEVELS).filter((level) => caches.some((cache) => marksOf([level], cache).length));
  for (const level of Object.keys(LEVELS)) {
    byId(`level-${level}`).closest("label").hidden = !has.includes(level);
  }
  byId("roof-measured").closest("label").hidden = data.roofs.every((roof) => roof.kind === "spec");
  if (!has.includes("analytic")) byId("level-dram").defaultChecked = true;
  drawNow(chart);
  let shown = [];
  const refill = onOpening(byId("roof-rows"), () => sortableTable({
    caption: "Points of the roofline", columns: MARK_COLUMNS, rows: shown,
  }));
  const update = () => {
    const levels = has.filter((level) => byId(`level-${level}`).checked);
    const marks = marksOf(levels, byId("roof-cache").value);
    shown = marks.filter(({ row }) =>
      Object.entries(choices).every(([name, { value }]) => value === EVERY || row[name] === value));
    byId("roof-count").textContent =
      `${plural(shown.length, "mark")} of ${whole(marks.length)} shown.` + ` ${formsKey(has)}`;
    refill();
    return drawRoofline(chart, shown, { measured: byId("roof-measured").checked, levels });
  };
  form.addEventListener("change", update);
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
  chart.on("plotly_click", ({ points }) => {
    const kernel = points[0].customdata;
    if (typeof kernel === "string") location.hash = kernelHash(kernel);
  });
}
