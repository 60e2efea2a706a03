package api

import (
	"fmt"
	"net/http"
	"time"
)

// silent is for how long no record at all may be looked at before this process is
// taken for dead. A record is looked at once a minute at the least.
const silent = 3 * time.Minute

// livez says whether the observer goes on looking.
func (a *API) livez(w http.ResponseWriter, _ *http.Request) {
	if err := a.Live(time.Now()); err != nil {
		writeText(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	writeText(w, http.StatusOK, "ok\n")
}

// Live says why the observer seems to have stopped; nil: it has not.
func (a *API) Live(now time.Time) error {
	v := a.view()
	latest := a.started
	for i := range v.items {
		if seen := v.items[i].Seen; seen != nil && seen.After(latest) {
			latest = *seen
		}
	}
	if d := now.Sub(latest); len(v.items) > 0 && d > silent {
		return fmt.Errorf("no record was looked at for %v", d.Round(time.Second))
	}
	return nil
}

// readyz says whether every record was looked at once.
func (a *API) readyz(w http.ResponseWriter, _ *http.Request) {
	v := a.view()
	missing := 0
	for i := range v.items {
		if v.items[i].Seen == nil {
			missing++
		}
	}
	if missing > 0 {
		writeText(w, http.StatusServiceUnavailable, fmt.Sprintf("%d of %d records were not looked at yet\n", missing, len(v.items)))
		return
	}
	writeText(w, http.StatusOK, "ok\n")
}
