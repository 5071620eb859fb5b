import { allowedText } from '../config/kinds.js';
import { SETTINGS, type Setting } from '../config/settings.js';

/** The text of `hyperskeleton --help`, from the table of settings. */
export function helpText(): string {
  const settings = Object.values(SETTINGS).map(describe).join('\n');
  return `hyperskeleton: any executable as an OpenWhisk action

Usage:
  hyperskeleton serve [flags]   serve /init and /run until SIGTERM
  hyperskeleton invoke PATH [--param name=value]... [--params JSON|@FILE|-] [--env NAME=value]... [flags]
                                run an action once: a folder, a zip or an executable
  hyperskeleton pack PATH -o FILE.zip|FILE.json
                                make an action's zip, or the body of the /init that uploads it
  hyperskeleton compile MAIN [--env JSON]
                                ActionLoop: source on stdin, the zip that OW_COMPILER makes on stdout
  hyperskeleton doctor [flags]  tell which engine runs here, why others do not, and what each gives
  hyperskeleton top [--metrics-url URL] [--interval SECONDS] [--once] [--json]
                                watch a running server by its /metrics: rates, percentiles, phases, failures
                                (http://127.0.0.1:8080/metrics, every 2 s)
  hyperskeleton bench [flags]   measure runtimes side by side; bench --help tells how
  hyperskeleton --version       print the version
  hyperskeleton --help          print this text

Flags of serve, invoke and doctor; each can be set by an environment variable, the flag wins:
${settings}
`;
}

function describe(setting: Setting): string {
  const allowed = allowedText(setting.kind);
  const fallback = setting.default === '' ? 'not set' : (setting.default ?? setting.derived);
  const facts = [
    `env ${setting.env.join(', ')}`,
    ...(allowed === undefined ? [] : [allowed]),
    `default: ${fallback}`,
  ];
  return `  --${setting.flag}\n      ${setting.sentence}\n      (${facts.join('; ')})`;
}
