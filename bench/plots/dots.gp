# SPDX-License-Identifier: GPL-2.0-only
#
# A dot plot: one line per workload and its parameters, one point per mode, on a logarithmic axis.
# Drives exits, cost and memory. Dots and not bars, because a bar on a logarithmic axis has no
# honest length. Zero has no place on such an axis: it gets a column of its own, left of a line.
#
# The data: per mode one index of points (y, x) and one of bars (y, x, from, to). Variables: reshape.py.

load style
set xlabel x_label
set logscale x 10
set xrange [x_min:x_max]
set yrange [rows + 0.6:0.4]
set grid xtics ytics
set lmargin left_margin
set bmargin at screen bottom_margin
set rmargin 4
set tmargin at screen top_margin
unset title
set label 1 plot_title at screen 0.5, screen title_y center font "DejaVu Sans Bold,13" \
	textcolor rgb "#202020"
unset key
eval(legend)
eval(set_ytics)
eval(set_xtics)
eval(decorations)
plot for [i=1:n_series] data index 2*i-1 using 2:1:3:4 with xerrorbars \
	linecolor rgb word(colours, i) pointtype 0 linewidth 1.5 notitle, \
	for [i=1:n_series] data index 2*i-2 using 2:1 with points \
	linecolor rgb word(colours, i) pointtype int(word(shapes, i)) pointsize point_size notitle
