/**
 * Understands the flags of the ActionLoop proxy (C-AL-22, C-AL-02), which begin with one dash: `-version`,
 * `-debug`, `-compile MAIN`, `-env JSON`.
 *
 * @param environment gets what `-debug` sets
 * @returns the same command line in this program's words; what is none of these stays as it is
 */
export function translateGoProxyFlags(argv: readonly string[], environment: NodeJS.ProcessEnv): string[] {
  const rest: string[] = [];
  let compiles: string | undefined;
  let variables: string | undefined;
  for (let index = 0; index < argv.length; index++) {
    const [flag, attached] = splitFlag(argv[index] as string);
    const value = (): string => attached ?? argv[++index] ?? '';
    if (flag === '-version') rest.unshift('--version');
    else if (flag === '-compile') compiles = value();
    else if (flag === '-env') variables = value();
    else if (flag === '-debug') {
      environment.OW_DEBUG = '1';
      environment.PROXY_ALLOW_REINIT = '1';
    } else rest.push(argv[index] as string);
  }
  if (compiles === undefined) return rest;
  return ['compile', compiles, ...(variables === undefined ? [] : ['--env', variables]), ...rest];
}

function splitFlag(argument: string): [flag: string, value: string | undefined] {
  const equals = argument.indexOf('=');
  return equals === -1 ? [argument, undefined] : [argument.slice(0, equals), argument.slice(equals + 1)];
}
