# SPDX-License-Identifier: GPL-2.0-only
#
# One parameter of one workload swept: cost per operation left, VM exits per operation right, a line
# per mode, bars from the least to the greatest repetition.
#
# The data: one index per line; columns x, cost, min, max, exits. Variables: reshape.py.

load style
set multiplot
set label 1 plot_title at screen 0.5, screen 0.95 center font "DejaVu Sans Bold,13" \
	textcolor rgb "#202020"
set xlabel x_label
eval(set_xaxis)
set yrange [y_min:*]
set grid xtics ytics
set tmargin at screen 0.80
set bmargin at screen 0.19
unset key
eval(legend)

set lmargin at screen 0.08
set rmargin at screen 0.48
set ylabel cost_label
plot for [i=1:n_series] data index i-1 using 1:2:3:4 with yerrorlines \
	linecolor rgb word(colours, i) pointtype int(word(shapes, i)) pointsize 1.1 linewidth 2 \
	dashtype int(word(dashes, i)) notitle

unset label
unset arrow
set lmargin at screen 0.58
set rmargin at screen 0.98
set yrange [0:*]
set ylabel "VM exits per operation"
plot for [i=1:n_series] data index i-1 using 1:5 with linespoints \
	linecolor rgb word(colours, i) pointtype int(word(shapes, i)) pointsize 1.1 linewidth 2 \
	dashtype int(word(dashes, i)) notitle
unset multiplot
