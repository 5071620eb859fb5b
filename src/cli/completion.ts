import { SETTINGS } from '../config/settings.js';
import type { AnyCommand } from './command.js';

/** The shells that it is made for. */
export const SHELLS = ['bash', 'zsh'] as const;

/** Zsh's own way to take completions of bash (zshcompsys(1), bashcompinit). */
const ZSH_START = 'autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n';

/**
 * A script that completes commands, flags and files for a shell.
 *
 * @param commands every command
 */
export function completionScript(shell: (typeof SHELLS)[number], commands: readonly AnyCommand[]): string {
  const names = commands.map(({ name }) => name);
  const cases = commands.map((command) => `    ${command.name}) words='${flagsOf(command).join(' ')}' ;;`);
  return `${shell === 'zsh' ? ZSH_START : ''}_hyperskeleton() {
  local current=\${COMP_WORDS[COMP_CWORD]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${[...names, 'help', '--help', '--version'].join(' ')}' -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
    help) COMPREPLY=($(compgen -W '${names.join(' ')}' -- "$current")); return ;;
${cases.join('\n')}
  esac
  case $current in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _hyperskeleton hyperskeleton
`;
}

function flagsOf({ options, takesSettings }: AnyCommand): string[] {
  const settings = takesSettings ? Object.values(SETTINGS).map(({ flag }) => flag) : [];
  return [...Object.keys(options), ...settings, 'help'].map((flag) => `--${flag}`);
}

/** `hyperskeleton completion SHELL`. @returns the exit status: 1 for a shell that it can't be made for */
export function printCompletion(shell: string, commands: readonly AnyCommand[]): number {
  const known = SHELLS.find((name) => name === shell);
  if (known === undefined) {
    process.stderr.write(`hyperskeleton: there is completion for ${SHELLS.join(' and ')}\n`);
    return 1;
  }
  process.stdout.write(completionScript(known, commands));
  return 0;
}
