# SPDX-License-Identifier: GPL-2.0-only
#
# A grid: a line of panels per operation, a column per thing that grows, both axes logarithmic, a
# curve per mode. A line's panels share their y axis, so that what is constant is level across them.
#
# The data: one index per panel and series; columns x, y. Variables: growth.py.

load style
set multiplot
set label 1 plot_title at screen 0.5, screen title_y center font "DejaVu Sans Bold,13" \
	textcolor rgb "#202020"
set label 2 y_label at screen label_x, screen 0.5 center rotate
unset key
unset border
unset tics
unset grid
eval(legend)
eval(headings)
set xrange [0:1]
set yrange [0:1]
plot 1/0 notitle

unset label
set border 3 linestyle 101
set logscale xy 10
set grid ytics linestyle 100
do for [r=1:lines] {
	do for [c=1:columns] {
		set lmargin at screen panel_left + (c - 1) * panel_step_x
		set rmargin at screen panel_left + (c - 1) * panel_step_x + panel_width
		set tmargin at screen panel_top - (r - 1) * panel_step_y
		set bmargin at screen panel_top - (r - 1) * panel_step_y - panel_height
		set xrange [x_min[c]:x_max[c]]
		set yrange [y_min[r]:y_max[r]]
		set xtics nomirror scale 0.5 font "DejaVu Sans,9"
		eval(r == lines ? set_xtics[c] : no_xtics[c])
		set ytics nomirror scale 0.5 font "DejaVu Sans,9"
		eval(c == 1 ? set_ytics[r] : no_ytics[r])
		eval(notes[(r - 1) * columns + c])
		plot for [s=1:n_series] data index ((r-1)*columns + c-1)*n_series + s-1 \
			using 1:2 with linespoints linecolor rgb word(colours, s) \
			pointtype int(word(shapes, s)) pointsize real(word(sizes, s)) \
			linewidth 1.5 notitle
		unset label
	}
}
unset multiplot
