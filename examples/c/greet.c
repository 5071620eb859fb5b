/* Greets by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Arguments beyond 128 KiB come on standard input only. */
static char *read_stdin(void) {
  size_t size = 0, room = 1 << 16;
  char *text = malloc(room);
  while (text != NULL) {
    size_t got = fread(text + size, 1, room - size - 1, stdin);
    if (got == 0) break;
    size += got;
    if (size + 1 == room) {
      char *larger = realloc(text, room *= 2);
      if (larger == NULL) free(text);
      text = larger;
    }
  }
  if (text != NULL) text[size] = '\0';
  return text;
}

/* The length of a JSON string's inside; the escapes stay as they are, for they go into JSON again. */
static size_t string_length(const char *inside) {
  size_t length = 0;
  while (inside[length] != '\0' && inside[length] != '"') {
    length += inside[length] == '\\' && inside[length + 1] != '\0' ? 2 : 1;
  }
  return length;
}

/* Finds "name": "…" in the text. A program with more to read takes a JSON library. */
static const char *find_name(const char *text) {
  const char *at = strstr(text, "\"name\"");
  if (at == NULL) return NULL;
  at += strlen("\"name\"");
  at += strspn(at, " \t\r\n");
  if (*at++ != ':') return NULL;
  at += strspn(at, " \t\r\n");
  return *at == '"' ? at + 1 : NULL;
}

int main(int argc, char **argv) {
  char *text = argc > 1 ? argv[1] : read_stdin();
  if (text == NULL) {
    puts("{\"error\": \"out of memory\"}");
    return 1;
  }
  const char *name = find_name(text);
  if (name == NULL) name = "stranger";
  int length = (int)string_length(name);
  printf("greeting %.*s\n", length, name);
  printf("{\"greeting\": \"Hello, %.*s!\"}\n", length, name);
  return 0;
}
