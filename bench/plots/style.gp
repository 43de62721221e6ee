# SPDX-License-Identifier: GPL-2.0-only
#
# What all plots share: terminals, palette, fonts, the caption. A plot is drawn twice, as PNG and as
# SVG: each .gp file draws by draw.gp, which sets the variables used here (see bench/plot).
#
# Palette: Okabe and Ito's, which people with any colour vision tell apart. A mode keeps its colour
# and its point shape in every plot; reshape.py knows which is whose.

if (format eq "png") {
	set terminal pngcairo size width,height noenhanced font "DejaVu Sans,11" linewidth 1.2
} else {
	set terminal svg size width,height noenhanced font "DejaVu Sans,11" linewidth 1.2 \
		background "#ffffff"
}
set output output
set encoding utf8

set style line 100 linecolor rgb "#d8d8d8" linewidth 0.8
set style line 101 linecolor rgb "#707070" linewidth 1.0
set border 3 linestyle 101
set tics nomirror textcolor rgb "#303030"
set grid linestyle 100
set style textbox opaque margins 0.3, 0.3 fillcolor rgb "#ffffff" noborder
set title font "DejaVu Sans Bold,13" textcolor rgb "#202020"
set label 1000 caption at screen 0.01, screen caption_y left font "DejaVu Sans,9" \
	textcolor rgb "#505050"
