/*
 * An action that does what its arguments ask for, so that one program serves every scenario:
 *   {"token": "t1", "burnMs": 5, "sleepMs": 100, "logLines": 1000, "resultBytes": 1000, "data": "xxxx"}
 * It answers {"bytes": <length of data>, "data": "<resultBytes of x>", "token": "t1"}; keys are in order and nothing
 * needs an escape, so that a runtime that writes results anew answers the same text. All arguments are optional.
 *
 * As it is: arguments on stdin up to its end, the result on stdout. With -DACTIONLOOP: a line of stdin for each
 * activation, the result on descriptor 3.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_LINE_BYTES = 100 };

static long number_of(const char *text, const char *key) {
  const char *at = strstr(text, key);
  if (at == NULL) return 0;
  at += strlen(key);
  while (*at == '"' || *at == ':' || *at == ' ') at++;
  return strtol(at, NULL, 10);
}

/* The text between the quotes after the key; its length in *length. */
static const char *string_of(const char *text, const char *key, size_t *length) {
  const char *at = strstr(text, key);
  *length = 0;
  if (at == NULL) return "";
  at += strlen(key) + 1;
  while (*at != '"' && *at != '\0') at++;
  if (*at == '\0') return "";
  const char *end = strchr(++at, '"');
  if (end == NULL) return "";
  *length = (size_t)(end - at);
  return at;
}

static void burn(long milliseconds) {
  struct timespec now;
  if (milliseconds <= 0) return;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  long long end = now.tv_sec * 1000000000LL + now.tv_nsec + milliseconds * 1000000LL;
  do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  while (now.tv_sec * 1000000000LL + now.tv_nsec < end);
}

static void pause_for(long milliseconds) {
  struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  if (milliseconds > 0) nanosleep(&pause, NULL);
}

static void log_lines(long lines) {
  char line[LOG_LINE_BYTES];
  memset(line, 'l', sizeof line);
  line[sizeof line - 1] = '\n';
  for (long i = 0; i < lines; i++) fwrite(line, 1, sizeof line, stdout);
  fflush(stdout);
}

static void work(const char *arguments, FILE *results) {
  size_t token_length, data_length;
  const char *token = string_of(arguments, "\"token\"", &token_length);
  string_of(arguments, "\"data\"", &data_length);
  burn(number_of(arguments, "\"burnMs\""));
  pause_for(number_of(arguments, "\"sleepMs\""));
  log_lines(number_of(arguments, "\"logLines\""));
  long result_bytes = number_of(arguments, "\"resultBytes\"");
  fprintf(results, "{\"bytes\":%zu,\"data\":\"", data_length);
  for (char block[4096]; result_bytes > 0;) {
    size_t now = result_bytes < (long)sizeof block ? (size_t)result_bytes : sizeof block;
    memset(block, 'x', now);
    fwrite(block, 1, now, results);
    result_bytes -= (long)now;
  }
  fprintf(results, "\",\"token\":\"%.*s\"}\n", (int)token_length, token);
  fflush(results);
}

#ifdef ACTIONLOOP
int main(void) {
  FILE *results = fdopen(3, "w");
  char *line = NULL;
  size_t room = 0;
  if (results == NULL) return 1;
  while (getline(&line, &room, stdin) > 0) work(line, results);
  return 0;
}
#else
int main(void) {
  char *arguments = NULL;
  size_t room = 0;
  ssize_t length = getdelim(&arguments, &room, '\0', stdin);
  work(length > 0 ? arguments : "{}", stdout);
  return 0;
}
#endif
