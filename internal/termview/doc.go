// Package termview draws what a session is doing on a terminal: the state of its connection, its metrics with a
// spark line each, its impulses, and totals. The demo and `komstream watch` use it.
//
// [Render] is a pure function from a [Snapshot] to text of a given size; [Line] is its short form, a line for a log.
// A [Screen] shows one or the other: it repaints in place on a terminal, and writes lines into anything else.
//
//	screen := termview.NewScreen(os.Stdout)
//	defer screen.Close()
//	for range ticks {
//		if err := screen.Draw(snapshot()); err != nil { … }
//	}
//
// Whoever fills a Snapshot owns it; nothing here keeps a part of one.
package termview
