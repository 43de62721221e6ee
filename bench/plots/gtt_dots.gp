# SPDX-License-Identifier: GPL-2.0-only
#
# Two panels of dots side by side, a line per workload of the GTT device, a point per gtt_mode.
#
# The data: four indices (gtt_modes) for the left panel, four for the right; columns x, y. Variables:
# gtt.py.

load style
set multiplot
set label 1 plot_title at screen 0.5, screen title_y center font "DejaVu Sans Bold,13" \
	textcolor rgb "#202020"
unset key
eval(legend)
set yrange [rows + 0.6:0.4]
set grid xtics ytics
set tmargin at screen top
set bmargin at screen bottom

set lmargin at screen 0.23
set rmargin at screen 0.58
eval(set_ytics)
set xlabel label1
eval(axis1)
plot for [i=1:4] data index i-1 using 1:2 with points linecolor rgb word(colours, i) \
	pointtype int(word(shapes, i)) pointsize 1.4 notitle

unset label
unset logscale
set lmargin at screen 0.61
set rmargin at screen 0.98
eval(no_ytics)
set xlabel label2
eval(axis2)
plot for [i=1:4] data index i+3 using 1:2 with points linecolor rgb word(colours, i) \
	pointtype int(word(shapes, i)) pointsize 1.4 notitle
unset multiplot
