/* The action that the loop and the server both run: as little as an action can do. */
#include <unistd.h>

int main(void) {
  static const char result[] = "{\"hello\":\"world\"}\n";
  return write(1, result, sizeof result - 1) == (ssize_t)(sizeof result - 1) ? 0 : 1;
}
