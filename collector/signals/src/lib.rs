//! RED and the service graph from spans, USE from node metrics: what is computed, under which names.
