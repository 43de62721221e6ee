# SPDX-License-Identifier: GPL-2.0-only
#
# One parameter of a workload of the GTT device swept: two panels, a line per gtt_mode.
#
# The data: four indices (gtt_modes) for the left panel, four for the right; columns x, y. Variables:
# gtt.py.

load style
set multiplot
set label 1 plot_title at screen 0.5, screen 0.95 center font "DejaVu Sans Bold,13" \
	textcolor rgb "#202020"
unset key
eval(legend)
set xlabel x_label
eval(set_xaxis)
set grid xtics ytics
set tmargin at screen 0.80
set bmargin at screen 0.19

set lmargin at screen 0.08
set rmargin at screen 0.48
set ylabel label1
eval(axis1)
plot for [i=1:4] data index i-1 using 1:2 with linespoints linecolor rgb word(colours, i) \
	pointtype int(word(shapes, i)) pointsize 1.1 linewidth 2 notitle

unset label
set lmargin at screen 0.58
set rmargin at screen 0.98
set ylabel label2
eval(axis2)
plot for [i=1:4] data index i+3 using 1:2 with linespoints linecolor rgb word(colours, i) \
	pointtype int(word(shapes, i)) pointsize 1.1 linewidth 2 notitle
unset multiplot
