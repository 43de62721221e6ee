# SPDX-License-Identifier: GPL-2.0-only
#
# The terminals, before any picture that figure.py has written: `gnuplot -e "format='svg'; height=300;
# output='x.svg'" style.gp exits.gp`. A picture is as wide as a column of a paper, 3.4 inches; its units
# are points, so what is 7 here is 7 points in print. PNG has 300 dots an inch.

width = 245
# Marks of all terminals are of one size.
mark = format eq "svg" ? 0.75 : 1
if (format eq "svg") {
	set terminal svg size width,height noenhanced font "DejaVu Sans,7" linewidth 0.6 \
		background "#ffffff"
}
# Cairo's terminals take 96 dots an inch for granted.
if (format eq "pdf") {
	set terminal pdfcairo size (width/72.0),(height/72.0) noenhanced font "DejaVu Sans,7" \
		fontscale 0.75 linewidth 0.6 pointscale 0.75
}
if (format eq "png") {
	dots = 300/72.0
	set terminal pngcairo size (width*dots),(height*dots) noenhanced font "DejaVu Sans,7" \
		fontscale (dots*0.75) linewidth (dots*0.6) pointscale (dots*0.75)
}
set output output
set encoding utf8
unset key
