/** A page of metrics. */
export interface Scraped {
  readonly type: string;
  readonly text: string;
  /** The value of one series, as it is written: `name{label="value"}`; undefined where it is not there. */
  value(series: string): number | undefined;
  /** Every series, without its value. */
  readonly series: readonly string[];
}

/** GET /metrics of a server on this machine. */
export async function scrape(port: number, accept = ''): Promise<Scraped> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { Accept: accept } });
  if (answer.status !== 200) throw new Error(`GET /metrics: ${answer.status}`);
  const text = await answer.text();
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([a-z][^ {]*(?:\{[^}]*\})?) (\S+)/.exec(line);
    if (match !== null) values.set(match[1] as string, Number(match[2]));
  }
  return {
    type: answer.headers.get('content-type') ?? '',
    text,
    value: (series) => values.get(series),
    series: [...values.keys()],
  };
}

/** The Accept header of a scraper that takes exemplars. */
export const OPENMETRICS = 'application/openmetrics-text; version=1.0.0';
