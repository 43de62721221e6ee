# SPDX-License-Identifier: GPL-2.0-only
#
# The phase diagram: a panel per view, a cell per working set and rate of table updates in the colour
# of the mode that costs least. Right of the black staircase ept wins; at the end of each line stands
# the rate from which on it does.
#
# The data: per panel one index of cells (x, y, colour) and one of the staircase (x, y). Variables:
# phase.py.

load style
set multiplot
set label 1 plot_title at screen 0.5, screen title_y center font "DejaVu Sans Bold,13" \
	textcolor rgb "#202020"
eval(set_notes)
unset key
unset border
unset tics
unset grid
eval(legend)
set xrange [0:1]
set yrange [0:1]
plot 1/0 notitle
unset object

set xrange [-0.5:n_rates - 0.5]
set yrange [-0.5:n_sizes - 0.5]
eval(set_xtics)
eval(set_ytics)
set xtics nomirror scale 0 font "DejaVu Sans,9" offset 0, 0.3
set ytics nomirror scale 0 font "DejaVu Sans,9"
set style fill solid 1.0 border rgb "#ffffff"
do for [p=1:n_panels] {
	unset label
	set lmargin at screen panel_left[p]
	set rmargin at screen panel_right[p]
	set tmargin at screen panel_top[p]
	set bmargin at screen panel_bottom[p]
	set title panel_title[p] font "DejaVu Sans Bold,10" offset 0, -0.5
	set xlabel panel_x[p] font "DejaVu Sans,10" offset 0, 0.4
	eval(panel_labels[p])
	plot data index 2*p-2 using 1:2:($1-0.5):($1+0.5):($2-0.5):($2+0.5):3 \
		with boxxyerror linecolor rgb variable notitle, \
		data index 2*p-1 using 1:2 with lines linewidth 2.5 linecolor rgb "#000000" notitle
}
unset multiplot
