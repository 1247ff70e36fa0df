"""Reading a lead out of a call: transcript to request, answer to LeadObject, and the reading without a model; all pure."""
