/* Children of every kind. */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
  pid_t self = getpid();
  int status = 0, ends[2];
  pipe(ends);
  pid_t child = fork();
  if (child == 0) {
    int ok = getppid() == self && getpid() != self;
    pid_t grandchild = fork();
    if (grandchild == 0) _exit(getppid() == self ? 1 : 0);
    waitpid(grandchild, &status, 0);
    dprintf(ends[1], "child %d grandchild %d\n", ok, status);
    _exit(7);
  }
  waitpid(child, &status, 0);
  close(ends[1]);
  char text[256] = {0};
  read(ends[0], text, sizeof text - 1);
  printf("%sfork %d\n", text, WEXITSTATUS(status));
  FILE *stream = popen("printf 'popen %s\\n' \"$GREETING\"", "r");
  while (fgets(text, sizeof text, stream) != NULL) printf("%s", text);
  printf("pclose %d\n", pclose(stream));
  printf("system %d\n", WEXITSTATUS(system("exit 5")));
  pid_t spawned;
  char *arguments[] = {"sh", "-c", "echo spawned $#; exit 4", "sh", argc > 1 ? argv[1] : "", NULL};
  fflush(stdout);
  posix_spawn(&spawned, "/bin/sh", NULL, NULL, arguments, environ);
  waitpid(spawned, &status, 0);
  printf("posix_spawn %d\n", WEXITSTATUS(status));
  fflush(stdout);
  child = vfork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "echo vforked", NULL);
    _exit(1);
  }
  waitpid(child, &status, 0);
  child = fork();
  if (child == 0) _exit(setsid() == getpid() && getpgrp() == getpid() ? 0 : 1);
  waitpid(child, &status, 0);
  printf("session %d\n", WEXITSTATUS(status));
  printf("left %d\n", waitpid(-1, &status, WNOHANG));
  fflush(stdout);
  if (argc > 1 && strstr(argv[1], "exec") != NULL) execl("/bin/sh", "sh", "-c", "echo executed; exit 9", NULL);
  return 0;
}
