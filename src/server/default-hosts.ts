import { existsSync } from 'node:fs';

/** Every interface, IPv6 and IPv4. */
const ALL = ['::'];
const LOOPBACK = ['127.0.0.1', '::1'];

/** Files that container engines put into their containers: Docker's, and that of Podman and CRI-O. */
const CONTAINER_FILES = ['/.dockerenv', '/run/.containerenv'];

/** What tells whether this process is in a container. */
interface HostEnvironment {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly exists: (path: string) => boolean;
}

/**
 * Where to listen if nobody says it: in a container, which the platform reaches by an address of the container's own, on
 * every interface; elsewhere, where a person has started the server, on loopback.
 *
 * The image sets HYPERSKELETON_HOST, so that images built from it do not depend on this guess. A container is told by the
 * files of its engine, by the variables that Kubernetes and systemd-nspawn set, and by process 1.
 */
export function defaultHosts(
  { environment, pid, exists }: HostEnvironment = {
    environment: process.env,
    pid: process.pid,
    exists: existsSync,
  },
): readonly string[] {
  const inContainer =
    pid === 1 ||
    (environment.KUBERNETES_SERVICE_HOST ?? '') !== '' ||
    (environment.container ?? '') !== '' ||
    CONTAINER_FILES.some(exists);
  return inContainer ? ALL : LOOPBACK;
}
