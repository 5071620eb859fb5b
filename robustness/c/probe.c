/*
 * The action of the robustness tools. Its arguments are JSON with a token and what to do besides:
 *
 *   {"token":"...","logLines":2,"padBytes":100,"sleepMs":5,"end":"error|invalid|killed","leave":1,"forks":8,"killAll":1}
 *
 * It appends the token to the file of __OW_RUNS_FILE, logs `L token` on stdout and `E token` on stderr, and answers
 * {"token":"...","pad":"xxx"}. Without a token it answers its arguments. Compiled with -DACTIONLOOP it does so for each
 * line and answers on descriptor 3.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_TOKEN 64
#define LEAVE_MS 300
#define FORK_MS 200

static void write_all(int fd, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t written = write(fd, bytes, count);
    if (written <= 0) return;
    bytes += written;
    count -= (size_t)written;
  }
}

static long number(const char *text, const char *name) {
  const char *at = strstr(text, name);
  return at == NULL ? 0 : strtol(at + strlen(name), NULL, 10);
}

static void pause_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&time, &time) != 0) continue;
}

/* A child that outlives the run by a moment and holds none of its descriptors. */
static void leave_child(long ms) {
  pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      for (int fd = 0; fd < 10; fd++) close(fd);
      pause_ms(ms);
    }
    _exit(0);
  }
  if (child > 0) waitpid(child, NULL, 0);
}

static void run(const char *text, size_t length, int result_fd) {
  char token[MAX_TOKEN + 1] = "-";
  const char *at = strstr(text, "\"token\":\"");
  if (at != NULL) {
    at += 9;
    size_t count = strcspn(at, "\"\\\n");
    if (count > MAX_TOKEN) count = MAX_TOKEN;
    memcpy(token, at, count);
    token[count] = 0;
    const char *runs = getenv("__OW_RUNS_FILE");
    int fd = runs == NULL ? -1 : open(runs, O_WRONLY | O_APPEND);
    if (fd >= 0) {
      char mark[MAX_TOKEN + 2];
      write_all(fd, mark, (size_t)sprintf(mark, "%s\n", token));
      close(fd);
    }
  }
  char line[MAX_TOKEN + 40];
  for (long left = number(text, "\"logLines\":"); left > 0; left--) {
    write_all(1, line, (size_t)sprintf(line, "P %s %ld\n", token, left));
  }
  write_all(1, line, (size_t)sprintf(line, "L %s\n", token));
  write_all(2, line, (size_t)sprintf(line, "E %s\n", token));
  if (strstr(text, "\"leave\":1") != NULL) leave_child(LEAVE_MS);
  for (long left = number(text, "\"forks\":"); left > 0; left--) {
    if (fork() == 0) {
      for (int fd = 0; fd < 10; fd++) close(fd);
      pause_ms(FORK_MS);
      _exit(0);
    }
  }
  if (strstr(text, "\"killAll\":1") != NULL) kill(-1, SIGKILL);
  pause_ms(number(text, "\"sleepMs\":"));
  if (strstr(text, "\"end\":\"killed\"") != NULL) raise(SIGKILL);
  if (at == NULL) {
    write_all(result_fd, text, length);
    write_all(result_fd, "\n", 1);
    return;
  }
  if (strstr(text, "\"end\":\"invalid\"") != NULL) {
    write_all(result_fd, line, (size_t)sprintf(line, "invalid %s\n", token));
    return;
  }
  long pad = number(text, "\"padBytes\":");
  if (pad < 0) pad = 0;
  char *result = malloc((size_t)pad + MAX_TOKEN + 80);
  if (result == NULL) return;
  const char *error = strstr(text, "\"end\":\"error\"") != NULL ? "\"error\":\"as asked for\"," : "";
  int begin = sprintf(result, "{%s\"token\":\"%s\",\"pad\":\"", error, token);
  memset(result + begin, 'x', (size_t)pad);
  memcpy(result + begin + pad, "\"}\n", 3);
  write_all(result_fd, result, (size_t)(begin + pad + 3));
  free(result);
}

int main(void) {
#ifdef ACTIONLOOP
  signal(SIGCHLD, SIG_IGN);
  char *text = NULL;
  size_t capacity = 0;
  ssize_t length;
  while ((length = getline(&text, &capacity, stdin)) > 0) {
    if (text[length - 1] == '\n') text[--length] = 0;
    run(text, (size_t)length, 3);
  }
#else
  size_t length = 0, capacity = 1 << 12;
  char *text = malloc(capacity + 1);
  for (ssize_t count; text != NULL && (count = read(0, text + length, capacity - length)) > 0;) {
    length += (size_t)count;
    if (length == capacity) text = realloc(text, (capacity *= 2) + 1);
  }
  if (text == NULL) return 1;
  text[length] = 0;
  run(text, length, 1);
#endif
  return 0;
}
