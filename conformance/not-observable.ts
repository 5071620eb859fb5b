/**
 * Rules of the contract without a case, and why: what nobody sees who stands outside, or what is the platform's
 * own business.
 */
export const NOT_OBSERVABLE: Readonly<Record<string, string>> = {
  'C-AL-22': 'the flags of a command line: --start leads to a server, not to the command itself',
  'C-AL-23': 'an extension that a platform never sees; its tests are test/actionloop/misbehaving.test.ts',
  'C-PLAT-01': 'how a container is started; its port is what {port} is filled in for',
  'C-PLAT-06': 'the platform ends a container that is late; what a dropped client does is C-SRV-12',
};

/** Rules of which a case shows a part only, and which part it does not show. */
export const PARTLY_OBSERVABLE: Readonly<Record<string, string>> = {
  'C-SRV-01': 'the order of flags and variables, and the default port: the start command names the port',
  'C-SRV-13': 'orphans come to a server that is process 1 or a subreaper; elsewhere the system reaps them',
  'C-INIT-12': 'how much memory an archive takes',
  'C-LOG-04': 'how much memory a log takes',
  'C-PLAT-02': 'hours of waiting',
  'C-PLAT-08': 'the freezer of a container: signals that stop all its processes stand for it',
};
