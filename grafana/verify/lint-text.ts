/** prom-client's own gauges, whose names end as only a counter's should; there is no other spelling of them. */
const OWN_GAUGES = /^(?:# (?:HELP|TYPE) )?nodejs_active_\w+_total\b/;

/** The text of /metrics for `promtool check metrics`, without what prom-client names against the convention. */
export function withoutOwnGauges(text: string): string {
  return text
    .split('\n')
    .filter((line) => !OWN_GAUGES.test(line))
    .join('\n');
}
