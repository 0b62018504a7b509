/* Stands for the page allocator in tests of the stages. */
int one;
int two;
int three;
int four;
int five;
#include "internal.h"
