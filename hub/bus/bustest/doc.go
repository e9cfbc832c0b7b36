// Package bustest is the suite that every [bus.Bus] passes. A kind of bus is tested by giving [Run] what makes a line of
// it and joins ends to that.
package bustest
