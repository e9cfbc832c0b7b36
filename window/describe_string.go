package window

// String prints d as pandas prints Series.describe().
func (d Description) String() string { return "" }
