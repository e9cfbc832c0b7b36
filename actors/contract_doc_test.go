package actors_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContractsNameTestsThatExist: a contract whose test was renamed or removed has none.
func TestContractsNameTestsThatExist(t *testing.T) {
	page, err := os.ReadFile("../docs/contracts.md")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{} // the test files of a package, as one text
	named := regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 200 {
		t.Errorf("the page names %d tests, fewer than it has contracts", len(named))
	}
	for _, n := range named {
		folder, name := n[1], n[2]
		if _, ok := sources[folder]; !ok {
			sources[folder] = textOf(t, "../"+folder+"/*_test.go")
		}
		if !strings.Contains(sources[folder], "\nfunc "+name+"(") {
			t.Errorf("docs/contracts.md names %s.%s, which does not exist", folder, name)
		}
	}
	ours := textOf(t, "contract_*_test.go")
	for _, name := range regexp.MustCompile(`\nfunc (Test\w+)\(`).FindAllStringSubmatch(ours, -1) {
		if name[1] != t.Name() && !strings.Contains(string(page), "`actors."+name[1]+"`") {
			t.Errorf("%s holds no contract of docs/contracts.md", name[1])
		}
	}
}

// textOf returns the text of the files of a pattern.
func textOf(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	return text.String()
}
