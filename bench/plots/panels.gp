# SPDX-License-Identifier: GPL-2.0-only
#
# Small multiples: a panel per workload with its own linear axis from zero, a stacked bar per mode.
# Drives causes and flushes. Workloads differ a thousandfold, so one axis for all would show one.
#
# The data: per panel one index per part of the stack; columns y, from, to. Variables: reshape.py.

load style
set multiplot
set label 1 plot_title at screen 0.5, screen title_y center font "DejaVu Sans Bold,13" \
	textcolor rgb "#202020"
set label 2 x_label at screen 0.5, screen label_y center
set style fill solid 1.0 noborder
unset key
unset border
unset tics
unset grid
eval(legend)
set xrange [0:1]
set yrange [0:1]
plot 1/0 notitle
unset object

unset label
set border 2 linestyle 101
set grid xtics linestyle 100
do for [p=1:n_panels] {
	column = (p - 1) % columns
	line = (p - 1) / columns
	set lmargin at screen panel_left + column * panel_step_x
	set rmargin at screen panel_left + column * panel_step_x + panel_width
	set tmargin at screen panel_top - line * panel_step_y
	set bmargin at screen panel_top - line * panel_step_y - panel_height
	set title panel_titles[p] font "DejaVu Sans Bold,11" offset 0, -0.6
	set xrange [0:panel_max[p]]
	set yrange [n_bars + 0.6:0.4]
	set xtics nomirror scale 0 font "DejaVu Sans,9"
	eval(panel_xtics[p])
	set ytics nomirror scale 0
	eval(set_ytics)
	eval(panel_labels[p])
	plot for [k=1:n_parts] data index (p-1)*n_parts+k-1 \
		using 2:1:2:3:($1-0.36):($1+0.36) with boxxyerror linecolor rgb word(colours, k) notitle
	unset label
}
unset multiplot
