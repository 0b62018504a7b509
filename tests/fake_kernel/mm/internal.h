/* Stands for mm/internal.h. */
