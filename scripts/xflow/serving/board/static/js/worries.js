// What a person should look at first, worst first: pure, from the overview.

import { brief } from "./format.js";
import { named, t } from "./i18n.js";

// A list of {tone, text, link}: failed last runs, drift, no champion, a champion that is not in service.
export function worries(pipelines) {
  const found = pipelines.flatMap((pipeline) => [...failed(pipeline), ...drifted(pipeline), ...unserved(pipeline)]);
  return [...found.filter(({ tone }) => tone === "bad"), ...found.filter(({ tone }) => tone !== "bad")];
}

// What a person starts by hand fails before that person's eyes, and nothing runs it again.
const BY_HAND = ["rollback", "reproduce"];

const failed = ({ name, runs }) =>
  runs
    .filter(({ kind, state }) => state === "failed" && !BY_HAND.includes(kind))
    .map(({ kind, message, links }) => ({
      tone: "bad",
      link: links.run,
      text: t("worry_failed", { pipeline: name, kind: named("kind", kind), message: brief(message ?? "", 200) }),
    }));

const drifted = ({ name, drift: { state } }) =>
  state === "stop" || state === "warn"
    ? [{ tone: state === "stop" ? "bad" : "warn", text: t(`worry_${state}`, { pipeline: name }) }]
    : [];

const unserved = ({ name, champions }) =>
  champions
    .filter(({ service, version }) => service?.version !== version)
    .map(({ model, version, service }) => ({
      tone: "warn",
      text: t(service ? "worry_behind" : "worry_unserved", {
        model,
        version,
        served: service?.version,
        pipeline: name,
      }),
    }));
