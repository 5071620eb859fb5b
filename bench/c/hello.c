/* The static action that both sides of the comparison run. */
#include <stdio.h>

int main(void) {
  puts("{\"hello\":\"world\"}");
  return 0;
}
