// Recorded programs: each range's kernels by their time.

const SHOWN_BARS = 20;
const programRows = data.programs.flatMap((program) =>
  rowsOf(program.kernels).map((row) => ({ ...row, program, range: program.range })));

const PROGRAM_COLUMNS = [
  { title: "Kernel", value: (row) => row.friendly, link: (row) => kernelHash(row.friendly) },
  { title: "Range", value: (row) => row.range },
  { title: "Time %", value: (row) => row.share_pct, number: true },
  { title: "Total (ms)", value: (row) => row.total_ns / 1e6, number: true },
  { title: "Launches", value: (row) => row.instances, text: (row) => whole(row.instances), number: true },
  { title: "Mean (us)", value: (row) => row.mean_ns / 1e3, number: true },
  { title: "Family", value: (row) => row.family },
  { title: "Library", value: (row) => row.library },
  { title: "Class", value: (row) => row.class },
  { title: "Limiter", value: (row) => row.limiter },
  { title: "% of rated roof", value: (row) => row.spec_roof_pct, number: true },
  { title: "No counters because", value: (row) => row.why_missing },
];

function startPrograms() {
  for (const program of data.programs) {
    const rows = programRows.filter((row) => row.program === program);
    const where = program.devices.join(", ") || "GPU not known";
    const chart = make("div", { class: "chart", role: "img" });
    byId("program-ranges").append(
      make("h3", {}, `${capital(program.range)}, ${where}`),
      make("p", {}, [program.program, program.mode].filter(Boolean).join("; ")),
    );
    if (!rows.length) {
      byId("program-ranges").append(make("p", {}, "No kernel ran in this range."));
      continue;
    }
    const top = rows.slice(0, SHOWN_BARS);
    byId("program-ranges").append(chart, sortableTable({
      caption: `Kernels of ${program.range}`, columns: PROGRAM_COLUMNS, rows,
    }));
    drawBars(
      chart,
      `Time of the ${plural(top.length, "longest kernel")} of ${program.range}.`,
      top.map((row) => row.friendly),
      [{
        name: "time", color: COLORS[0], values: top.map((row) => row.total_ns / 1e6),
        texts: top.map((row) => lines(
          row.friendly, `${number(row.total_ns / 1e6)} ms in ${whole(row.instances)} launches`,
          `${number(row.share_pct)} % of the kernel time`, row.class,
        )),
      }],
      "Kernel time (ms)",
    );
  }
}
