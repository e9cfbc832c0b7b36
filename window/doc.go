// Package window keeps the recent past of one metric and shows it as immutable views.
package window
