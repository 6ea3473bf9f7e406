"""Home programmes on pages: overview, setting one, one programme, reports of pain, the chain's report."""
