// The live parts of a job's page: the log that follows, its level filter, links to lines, the steps.
"use strict";

(() => {
  const MOST_LINES = 4000;
  const LONGEST = 2000;
  const LEVELS = ["exception", "error", "warning", "info", "debug", "target", "input", "feedback", "event", "results"];
  const HIDDEN = {
    debug: ["debug"],
    target: LEVELS.filter((level) => level !== "target" && level !== "feedback"),
    error: LEVELS.filter((level) => !["exception", "error", "warning"].includes(level)),
  };
  const log = document.getElementById("log");
  const live = document.getElementById("live");
  const filter = document.getElementById("level");
  const progress = document.getElementById("progress");
  let next = Number(log.dataset.next);

  function wantedLine() {
    const match = /^#L(\d+)$/.exec(location.hash);
    return match ? Number(match[1]) : null;
  }

  function goToLine() {
    const line = wantedLine();
    if (line === null) {
      return;
    }
    const row = document.getElementById(`L${line}`);
    const asked = new URLSearchParams(location.search).get("line");
    if (row) {
      row.scrollIntoView({ block: "center" });
    } else if (asked !== String(line)) {
      location.replace(`/jobs/${log.dataset.job}?line=${line}#L${line}`);
    }
  }

  function isHidden(level) {
    return (HIDDEN[filter.value] || []).includes(level);
  }

  function applyFilter() {
    for (const row of log.children) {
      row.hidden = isHidden(row.classList[0]);
    }
  }

  function parsed(line) {
    try {
      const entry = JSON.parse(line.replace(/^- /, ""));
      return LEVELS.includes(entry.lvl) ? entry : { ...entry, lvl: "debug" };
    } catch {
      return { dt: "", lvl: "debug", msg: line };
    }
  }

  function textOf(message) {
    if (typeof message === "string") {
      return message;
    }
    if (message && message.case !== undefined && message.result !== undefined) {
      const figure = message.measurement === undefined ? "" : ` ${message.measurement} ${message.units || ""}`;
      return `${message.definition || ""}/${message.case}: ${message.result}${figure}`;
    }
    return JSON.stringify(message);
  }

  function rowOf(line) {
    const entry = parsed(line);
    const text = textOf(entry.msg);
    const row = document.createElement("div");
    const link = document.createElement("a");
    const body = document.createElement("span");
    row.id = `L${next}`;
    row.className = entry.lvl;
    row.hidden = isHidden(entry.lvl);
    link.href = `#L${next}`;
    link.title = `${String(entry.dt).slice(11, 23)} ${entry.lvl}`;
    link.textContent = next;
    body.textContent = text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text;
    row.append(link, body);
    next += 1;
    return row;
  }

  function append(lines) {
    const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
    const rows = document.createDocumentFragment();
    for (const line of lines) {
      rows.append(rowOf(line));
    }
    log.append(rows);
    while (log.childElementCount > MOST_LINES) {
      log.firstElementChild.remove();
    }
    if (isAtEnd) {
      log.scrollTop = log.scrollHeight;
    }
  }

  function followLog() {
    const source = new EventSource(log.dataset.live);
    live.hidden = false;
    source.addEventListener("lines", (event) => append(event.data.split("\n").filter(Boolean)));
    source.addEventListener("run", () => window.location.reload());
    source.addEventListener("end", () => {
      source.close();
      live.hidden = true;
      refresh();
    });
  }

  async function refresh() {
    if (!progress.dataset.source) {
      return;
    }
    try {
      const answer = await fetch(progress.dataset.source);
      if (answer.ok) {
        progress.innerHTML = await answer.text();
      }
    } catch {
      // The server restarts: the next turn asks again.
    }
  }

  function followSteps() {
    const turn = setInterval(async () => {
      await refresh();
      if (progress.querySelector("[data-over]")) {
        clearInterval(turn);
        document.getElementById("cancel")?.remove();
      }
    }, 1500);
  }

  document.getElementById("level-filter").hidden = false;
  filter.addEventListener("change", applyFilter);
  window.addEventListener("hashchange", goToLine);
  if (wantedLine() === null) {
    log.scrollTop = log.scrollHeight;
  }
  goToLine();
  if (log.dataset.live) {
    followLog();
  }
  if (progress.dataset.source) {
    followSteps();
  }
})();
