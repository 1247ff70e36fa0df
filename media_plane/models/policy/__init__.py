"""The scripted policy: a pure dialogue policy driven by any tenant's tools, knowledge and nothing else."""
