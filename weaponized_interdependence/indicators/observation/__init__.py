"""Who can observe: panopticons by several routings, what members of a coalition add, and who sees what others see."""
