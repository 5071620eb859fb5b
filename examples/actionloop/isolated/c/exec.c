/* Draws a number. Where each activation is a clone (HYPERSKELETON_ISOLATION), it seeds the generator anew in each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void seed(void) {
  unsigned int bytes;
  if (getrandom(&bytes, sizeof bytes, 0) != sizeof bytes) abort();
  srandom(bytes);
}

int main(void) {
  FILE *answers = fdopen(3, "w");
  if (answers == NULL) return 1;
  const char *acknowledges = getenv("__OW_WAIT_FOR_ACK"), *isolation = getenv("HYPERSKELETON_ISOLATION");
  if (acknowledges != NULL && *acknowledges != 0) fputs("{\"ok\":true}\n", answers), fflush(answers);
  int is_isolated = isolation != NULL && strcmp(isolation, "activation") == 0;
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    if (is_isolated) seed();
    puts("drawing");
    fflush(stdout);
    long first = random(), second = random();
    fprintf(answers, "{\"number\":\"%ld-%ld\"}\n", first, second);
    fflush(answers);
  }
  return 0;
}
