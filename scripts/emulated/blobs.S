/* SPDX-License-Identifier: GPL-2.0-only */
/* The assembled option ROM and loader, carried inside mkimage so that it is one file to run. */
	.section .rodata
	.globl option_rom_start, option_rom_end, loader_start, loader_end
option_rom_start:
	.incbin "option_rom.bin"
option_rom_end:
loader_start:
	.incbin "loader.bin"
loader_end:
	.section .note.GNU-stack, "", @progbits
