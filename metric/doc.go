// Package metric is the vocabulary of komstream: what a metric is called, what a sample of it holds, and when it
// was taken. Every other package speaks in these words; this one imports the standard library only.
//
//   - [URI] names a metric: levels joined by dots, "host1.cpu.system", or another user's, "friend:host1.cpu.system".
//   - [Metric] is a URI and its [Kind]: a datapoint holds numbers, a datasource holds texts.
//   - [Value] is one number, with every digit of its decimal text, or one text.
//   - [TimeUUID] is the full 128-bit time of a sample, its identity within a metric; [Ticks] is the instant alone,
//     in units of 100 ns since the Unix epoch.
//   - [Sample] is a URI, a time and a value: the unit that is sent, stored, pushed and shown.
//
// A sample is made with [Datapoint] or [Datasource]:
//
//	s := metric.Datapoint("host1.cpu.system", time.Now(), 14.63)
//	t := metric.Datasource("host1.df", "2026-11-24T10:00:00Z", "Filesystem …").Supplying("root.used", "home.used")
//
// Neither returns an error: a sample that breaks a rule carries its fault to where it is sent, which refuses it by
// name, value and rule. [Sample.Check] tells earlier.
//
// Everything here is a plain value: comparable where that makes sense, immutable, and safe for concurrent use.
package metric
